"""What a certificate says, what makes it trustworthy, and how it looks on paper."""

"""What people type into chat pages."""

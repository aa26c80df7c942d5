"""The pages of those who lead a class, under the administration's address."""

"""What the end-to-end tests are made of; one noun a module."""

"""What is kept in a store, and how: claims."""

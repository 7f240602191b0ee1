"""Label images: what they take over from their image, what is said of them, and their registration."""

"""Label images: what they take over from their image, their annotation, and their registration."""

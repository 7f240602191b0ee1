"""The rules of the specification for documents, each below the sentence that it comes from."""

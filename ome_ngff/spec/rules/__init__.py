"""The rules that the specification has for documents, each once, below the sentence that it comes from."""

"""What is put in front of a model: demonstrations, chat messages, and the text of both."""

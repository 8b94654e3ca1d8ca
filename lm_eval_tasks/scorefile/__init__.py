"""`icl-distill score`: a file of responses, judged; see README.md beside this file."""

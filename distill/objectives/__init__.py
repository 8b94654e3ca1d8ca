"""What a student is pulled towards: divergences from the teacher, in chunks of answer tokens."""

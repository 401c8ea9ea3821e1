"""Where files come from: drawn from a seed (`synthetic`), listed from folders (`folders`)."""

"""What the command line does: a file for each verb or family of verbs."""

"""The InfraValidator node: trial of the exported model in a child process, with rows of the test split."""

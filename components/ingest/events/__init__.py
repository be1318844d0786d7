"""Event logs: the events of a group, such as a user, become rows of shape `sequence`, sorted and cut into sessions."""

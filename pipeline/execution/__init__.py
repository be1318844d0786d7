"""Running nodes: one, all of them here, or one in a pod."""

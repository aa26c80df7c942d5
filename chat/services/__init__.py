"""What a person asks of chat: open, keep, write, branch, judge. Validates, writes, queues on commit."""

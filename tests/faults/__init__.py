"""What happens to a book when processes die, disks fill up and files change: commands, and what the tests share."""

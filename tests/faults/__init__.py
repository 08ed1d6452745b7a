"""What happens to a book when processes die, disks fill up and files change: commands to run by hand, and what the tests
share with them.
"""

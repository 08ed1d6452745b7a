"""What looks at several sections at once: the ledger of claims, the tour, the protocol notes."""

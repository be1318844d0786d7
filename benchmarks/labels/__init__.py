"""Features of labels on grocery transactions: known products, and products that training has never seen."""

"""Why orders got stuck, by what an operator can see: evidence, rules over it, and what they say of each order."""

"""What can go wrong, and to whom: pure decisions; putting them into effect is the mocks' part."""

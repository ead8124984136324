"""True packet loss: a hop through two network namespaces of our own, where the kernel drops packets."""

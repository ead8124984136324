"""What to try: one YAML file each, and the loader that turns them into a plan."""

"""The peak: buyers, sent by Locust used as a library. The only folder that imports locust."""

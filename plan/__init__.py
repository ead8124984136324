"""The intention, resolved: frozen types that everybody may read. Imports only ledger."""

"""An invented wholesaler whose agents work for two months, and the decision log that they leave."""

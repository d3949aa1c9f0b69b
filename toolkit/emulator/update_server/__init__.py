"""The vendor's update server for rehearsals: signed packages over HTTPS, and everything that can be wrong with them."""

"""The isolation proof: two people with rows of their own try to reach each other, and what comes of it is judged."""

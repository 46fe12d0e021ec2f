"""Who looks: login and logout. Nothing about mail."""

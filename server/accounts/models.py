"""No models: people are Django's, roles its groups. Without this file no post_migrate is sent."""

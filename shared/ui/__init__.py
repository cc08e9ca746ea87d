"""The page: a Gradio form beside panels that the browser draws from the queue's events."""

"""β-VAE: reconstruction against KL divergence, with β (the weight of the KL term) as the free loss parameter.

`options` can be imported without torch; `task.VAETask` is the task itself.
"""

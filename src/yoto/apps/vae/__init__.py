"""β-VAE: reconstruction against KL divergence, with β (the weight of the KL term) as the free loss parameter.

`options` can be imported without torch; `task.VAETask` is the task itself.
"""

from yoto.registry import Application

APPLICATION = Application(
    task="yoto.apps.vae.task:VAETask",
    options="yoto.apps.vae.options:VAEOptions",
    commands="yoto.apps.vae.commands:register",
    page="yoto.apps.vae.page:Autoencoders",
    routes="yoto.apps.vae.routes:add",
)

"""What diffusers' FluxTransformer2DModel is given when it is timed."""
import torch


def inputs(model, batch, text, rows, cols):
    """Noise for a picture of rows x cols tokens and `text` text tokens, in the model's type and on its device."""
    c, p = model.config, next(model.parameters())
    like = dict(dtype=p.dtype, device=p.device)
    ids = torch.zeros(rows, cols, 3)
    ids[..., 1] += torch.arange(rows)[:, None]
    ids[..., 2] += torch.arange(cols)[None, :]
    return dict(hidden_states=torch.randn(batch, rows * cols, c.in_channels, **like),
                encoder_hidden_states=torch.randn(batch, text, c.joint_attention_dim, **like),
                pooled_projections=torch.randn(batch, c.pooled_projection_dim, **like),
                timestep=torch.full((batch,), 0.5, **like), img_ids=ids.reshape(-1, 3).to(**like),
                txt_ids=torch.zeros(text, 3, **like),
                guidance=torch.full((batch,), 3.5, **like) if c.guidance_embeds else None, return_dict=False)

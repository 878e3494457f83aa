"""Face enhancers that are networks: one engine around CodeFormer or GFPGAN."""

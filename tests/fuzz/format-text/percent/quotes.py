# %% [markdown]
"""
A text

of lines
"""

# %% [markdown]
r'''one $\alpha$'''

# %% [raw]
"""raw"""

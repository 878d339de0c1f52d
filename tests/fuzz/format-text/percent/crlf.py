# ---
# jupyter:
#   kernelspec:
#     name: python3
# ---

# %%
x = 1

# %% [markdown]
# text
# more
# mixed

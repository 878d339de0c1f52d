# %%
1

# %% [markdown]
# \%% x
# In[1]:
2
# <codecell>

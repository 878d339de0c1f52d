  # %% indented
    x

#%%
#%%[markdown]
#text
raw text

x = 1
# %%
x




# %%
y


# %%
# %%



# %% lines_at_end=1
z


# %%
 
	
# %%
z
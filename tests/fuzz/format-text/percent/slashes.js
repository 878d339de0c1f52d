// ---
// jupyter:
//   kernelspec:
//     language: javascript
// ---

// %%
const x = 1
// %time

// %% [markdown]
// text

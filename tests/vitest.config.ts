import { defineConfig } from 'vitest/config';

// Each file starts hosts, kernels and browsers of its own; two cores carry one file at a time.
export default defineConfig({
  test: {
    include: ['wire/**/*.test.ts', 'model/**/*.test.ts', 'browser/**/*.test.ts'],
    fileParallelism: false,
    // For a machine five times as busy as ours; what does not come is missed earlier, by the 15 s of each wait.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});

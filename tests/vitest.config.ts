import { defineConfig } from 'vitest/config';

// Each file starts hosts, kernels and browsers of its own; two cores carry one file at a time.
export default defineConfig({
  test: {
    include: ['wire/**/*.test.ts', 'model/**/*.test.ts', 'browser/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

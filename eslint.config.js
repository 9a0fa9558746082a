import tseslint from 'typescript-eslint'
import { ownEntries } from './scripts/own-entries.mjs'

export default tseslint.config(
  {
    ignores: [
      'dist',
      'node_modules',
      'runs',
      'vitest.config.ts',
      'examples/**/data',
      'examples/**/parent',
      'test/fixtures',
    ],
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    plugins: { tables: { rules: { 'own-entries': ownEntries } } },
    rules: {
      'tables/own-entries': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'TSAsExpression > TSAsExpression.expression > TSUnknownKeyword.typeAnnotation',
          message: 'Better types first; where a boundary leaves none, disable this in one place and write why.',
        },
      ],
    },
  },
  // Tests make what is broken on purpose.
  { files: ['test/**/*.ts'], rules: { 'no-restricted-syntax': 'off', 'tables/own-entries': 'off' } },
  {
    files: ['workflows/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: [
                'node:*',
                '@temporalio/worker',
                '@temporalio/client',
                '@temporalio/activity',
                '../*',
                '!../errors',
              ],
              allowTypeImports: true,
              message: 'Workflow code runs in a sandbox: import types only.',
            },
          ],
        },
      ],
    },
  },
)

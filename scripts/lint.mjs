import { install, run } from './setup.mjs'

install()
run(process.execPath, ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'])
run(process.execPath, ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'])

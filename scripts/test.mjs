// `npm test`: set-up, and the checks of every day. `npm test -- --searches`: whole searches, kills and installed packages, which
// take longer. Any other arguments are the test runner's: `npm test -- test/solver` runs what is named, whichever it is.
import { build, install, run } from './setup.mjs'

const args = process.argv.slice(2)
const searches = args.includes('--searches')
const rest = args.filter((arg) => arg !== '--searches')
install()
build()
if (searches) process.env.PUZZLEFLOW_TESTS = 'searches'
else if (rest.length === 0) process.env.PUZZLEFLOW_TESTS = 'everyday'
run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...rest])

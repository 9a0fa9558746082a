/** Test kit for block types (`puzzleflow/plugin/testing`). */
export { checkBlockType, type CheckOptions } from './check-block-type.js'
export { BlockReport, type CheckName, type Finding } from './report.js'

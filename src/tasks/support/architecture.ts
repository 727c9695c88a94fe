// Owns the name by which files of support models are known: apart from file.ts, so that who only looks for it need not load what reads them.

/** The value of general.architecture. */
export const SUPPORT_ARCHITECTURE = 'onebit-support';

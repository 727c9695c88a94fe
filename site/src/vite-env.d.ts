/** Where the source is; the build puts it in. */
declare const __SOURCE__: string;

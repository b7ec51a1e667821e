// The nonce of this page's answer, with which its policy lets styles pass.
export const NONCE = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";

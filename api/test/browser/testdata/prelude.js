addEventListener("securitypolicyviolation", (event) =>
  console.error(["CSP violation", event.violatedDirective, event.blockedURI, event.sample].join(" ")));

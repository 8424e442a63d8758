// Pages that stand inside an LMS: a form that goes back to it by itself, and the word that a registration is over.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("form[data-lms-return]")?.submit();
  if (document.querySelector("[data-lms-close]")) {
    const outside = window.opener || window.parent;
    // The name of the message is the specification's; it says nothing but that the window may close.
    outside.postMessage({ subject: "org.imsglobal.lti.close" }, "*");
  }
});

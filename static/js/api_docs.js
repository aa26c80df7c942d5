// Starts Swagger UI on the API documentation page; addresses and the CSRF token come from the page.
const page = document.getElementById("api-docs");

window.SwaggerUIBundle({
  dom_id: "#api-docs",
  url: page.dataset.openapiUrl,
  deepLinking: true,
  layout: "BaseLayout",
  // The online validator would send the description to another site.
  validatorUrl: null,
  requestInterceptor(request) {
    request.headers["X-CSRFToken"] = page.dataset.csrfToken;
    return request;
  },
});

// Swagger UI over our own document: nothing is asked of another host, and a key is not stored.
const place = document.getElementById("swagger");
window.ui = window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  // The key alone says who asks: with the session's cookie beside it the answers would be a person's.
  requestInterceptor: (request) => ({ ...request, credentials: "omit" }),
});
